#!/usr/bin/env bash
# Versions: snakemake 9.27.1.
# Behaviour: where the only input of a job is marked ancient() and the rule that makes this input runs again, the job is
#   left out although its own output does not exist, and the run succeeds. A list of models grows from [a] to [a, b]: the
#   rule that writes the list has it as a parameter and runs again; the file for b, which rule `all` asks for, is not
#   made, and the exit status is 0. The same command given once more makes it.
# Expected: a missing output is made whatever the age of its inputs; without ancient() the first run makes both.
# Why it matters: a table of models that grows, behind ancient() so that models done before are not fetched again, loses
#   the new rows of a run without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check snakemake==9.27.1 2>/dev/null

workflow() { # the models, and the input of `part`
    cat > Snakefile <<END
MODELS = $1
rule all:
    input: expand("part/{model}", model=MODELS)
rule listing:
    output: "list"
    params: models=MODELS
    shell: "echo {params.models} > {output}"
rule part:
    input: $2
    output: "part/{model}"
    shell: "cp {input} {output}"
END
}
run() { venv/bin/snakemake --cores 1 --quiet all all > log 2>&1 || { cat log; exit 1; }; }

fail=0
for input in '"list"' 'ancient("list")'; do
    rm -rf part list .snakemake
    workflow '["a"]' "$input"
    run
    workflow '["a", "b"]' "$input"
    run
    first=$(ls part | tr '\n' ' ')
    run
    second=$(ls part | tr '\n' ' ')
    echo "input $input: after the run [ $first], after the same command again [ $second]"
    expected="a b "
    [ "$input" = '"list"' ] || expected="a "
    [ "$first" = "$expected" ] && [ "$second" = "a b " ] || fail=1
done
[ $fail = 0 ] && echo "as described" || { echo "this behaviour has changed"; exit 1; }

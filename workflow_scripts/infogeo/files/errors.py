"""The one error that is meant for users."""


class InfogeoError(Exception):
    """What is wrong, where (file, field, value), and what to do about it.

    Scripts print its message without a traceback.
    """


def stop_at(problems: list[str], where: str) -> None:
    """Stop where there are problems, and list all of them.

    Parameters
    ----------
    problems : list of str
        A line each.
    where : str
        What was checked, for the headline.

    Raises
    ------
    InfogeoError
    """
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InfogeoError(f"{where}: {count}\n" + "\n".join(f"  - {line}" for line in problems))

"""What people call without the workflow: measures of arrays, laws, files of states, the command."""

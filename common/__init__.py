"""What every part of the project needs and none owns: user errors, result files, tool versions."""

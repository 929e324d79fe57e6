"""What every floor may use: processes, locks, signals, files, text and store addresses; nothing about experiments."""

"""Commands beside the main job: `commands` declares their options and help; a longer one is done in its own module."""

COMMANDS = (
    "cache",
    "check-data",
    "compare",
    "diagnose",
    "doctor",
    "evaluate",
    "export",
    "find-lr",
    "predict",
    "preview",
    "register",
    "rerun",
    "resume",
    "send",
    "ui",
)

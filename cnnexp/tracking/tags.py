"""Names of the tags that runs are found by; they are recorded, so a name never changes."""

RECORD = "cnnexp.record"  # of every run: the folder of the outbox that it was delivered from
EVALUATES = "cnnexp.evaluates"  # of an evaluation of a saved model: the run, or the exported folder, of that model
REPAIRS = "cnnexp.repairs"  # of a run that tries a repair: id of the run whose finding advised it
RERUNS = "cnnexp.reruns"  # of a run that repeats another: id of that one
PARENT = "mlflow.parentRunId"  # of a run of a sweep: id of the sweep's own run; MLflow's name
SWEEP_ID = "sweep_id"  # the same id, for the filters of the UI
SWEEP_KEY = "sweep.key"  # of a sweep: hash of the overrides, the same for the same command
SWEEP_WORDS = "sweep.words"  # of a command, be it a sweep or one run: its overrides, as a JSON list
SWEEP_EXTEND = "sweep.extend"  # of the same with code of the user's: what to give to --extend, as a JSON list
SWEEP_FOLDER = "sweep.folder"  # of the same: the folder that was the current one, where its relative paths start
SWEEP_CONFIG_DIR = "sweep.config_dir"  # of the same with further YAML files: what to give to --config-dir
VARIED = "sweep.varied"  # of a sweep: the settings that vary; of one of its runs: the settings with their values
RUN_HASH = "identity"  # of a run of a sweep: hash of everything that can change its result
FOLDS = "cnnexp.folds"  # of a run of folds: their number
FOLD = "cnnexp.fold"  # of the run of one of them, under the run of folds: which
SLURM_JOBS = "slurm.jobs"  # of a sweep that Slurm carries out: the numbers of its jobs, the comparison last
SLURM_FOLDER = "slurm.folder"  # of the same: the folder with its scripts and what its jobs print
TRAIN_AGAIN = "cnnexp.train_again"  # of a run that need not keep its model: what to type to train it again with it
LOST = "cnnexp.lost"  # of a run whose process was gone without a word: what is known of that
PRUNED = "pruned"  # of a run that a search stopped: the epoch
DESCRIPTION = "mlflow.note.content"  # Markdown, shown by the UI
COMMIT = "mlflow.source.git.commit"

"""A sweep as a job array of Slurm, which outlives the shell that it was typed in.

    submit      composes the runs, writes what each of them needs into the sweep's folder, and queues the jobs
    task        one job of the array: one run, in its allocation
    comparison  the job after them: compares the runs and ends the sweep
    follow      shows the sweep in the shell for as long as that is there

They meet in the folder, which all nodes must reach, see `sweep_folder`.
"""

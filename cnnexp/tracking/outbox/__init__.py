"""A transactional outbox: a run is recorded on disk first and delivered to MLflow by another process.

In the order in which a run passes through them:

    owned_record          begins and ends a record, in the process that answers for the run
    record_writer         writes it to disk; `entries` are the lines of its journal
    record_folder         which files it has, and what stands in them
    delivery_client       starts the delivery process, notifies it of records and receives its answers
    delivery_process      serves all records of its parent process, however that one ends
    incremental_delivery  one record's attempts, and the pauses between them
    lost_process          what is said of a recording process that is gone without a word
    delivery              one record into one MLflow run, from wherever the last attempt stopped
"""

"""Options that users add: found by ``--extend``, read as text, executed, checked, and put into `config.extended.TABLE`.

All of it happens at the door, before a command is carried out. What a process is sent that has not come through the
door, such as a worker of a sweep, carries its code along: see `load.restore`.
"""

"""A supervised child process and its protocol.

    supervisor     the parent's side: `ChildProcess`, restarted when it dies
    child_run      one run of the child, from its start to its end
    serve          the child's side
    framing        length-prefixed JSON and payload, the protocol of both

Nothing is imported here: the child imports no asyncio, and neither side needs numpy.
"""

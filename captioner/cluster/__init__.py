"""Captioning by other machines through Dask distributed (https://distributed.dask.org). Optional: `recollect[cluster]`.

identity     what has to be the same on two machines so that their captions are the same
dask_setup   Dask, imported when it is needed and not before
captioner    `ClusterCaptioner`: a captioner of this machine and those of others behind one face; knows nothing of Dask
connection   the service's side: connected to a scheduler, again and again
worker       the other machine's side, and the scheduler
"""

"""Batches: notebooks with many parameters, run by papermill over Dask, nothing lost.

grid: what is to be run; records: what is done; worker and kernel: one job; clusters: where;
runner: the batch from start to end; report: how it stands; collecting: its tables as one.
"""

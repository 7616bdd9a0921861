"""The same image from a Dask cluster: here of two processes, anywhere by its scheduler's address."""

from distributed import Client, LocalCluster

import bigstack

if __name__ == "__main__":
    stack = bigstack.synthetic.render_stack(shape=(300, 400), frames=6).stack
    fused = bigstack.fuse(stack, tile=128)
    here = fused.image.compute()  # threads of this process
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster):
            there = fused.image.compute()  # the cluster's workers
    print("the same to the bit:", bool((here == there).all()))

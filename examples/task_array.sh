# One image by independent tasks, as the job array of any batch queue runs them: no scheduler, no network.
# Each takes its share of the tiles; any may be killed, run again, or run twice.  sh task_array.sh STACK OUTPUT
set -eu
for task in 1 2; do
    bigstack stack "$1" -o "$2" --align none --task "$task/2"
done
bigstack stack "$1" -o "$2" --align none --finish

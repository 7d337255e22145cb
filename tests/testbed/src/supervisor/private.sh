# Gives a node its own /run, /var/lib and /var/log in the mount namespace it has entered: containerd, kubelet and CNI
# keep files there under names that they do not let one choose, and nodes would share them.
# private.sh PRIVATE BED PROGRAM [ARGUMENT...]   BED must stay visible, also where it is below one of these folders.
set -eu
private=$1 bed=$2
shift 2
for folder in run var/lib var/log; do
  mkdir -p "$private/$folder"
  case $bed in "/$folder"/*)
    mkdir -p "$private$bed"
    mount --bind "$bed" "$private$bed" ;;
  esac
  mount --rbind "$private/$folder" "/$folder"
done
exec "$@"

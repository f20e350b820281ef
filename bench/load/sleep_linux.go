package load

import (
	"syscall"
	"time"
)

// sleep blocks the thread. A signal may end it early: what is due then is sent by
// that much early, which nobody can see.
func sleep(d time.Duration) {
	wait := syscall.NsecToTimespec(int64(d))
	if err := syscall.Nanosleep(&wait, nil); err != nil {
		time.Sleep(0)
	}
}

package stanch

import (
	"fmt"
	"iter"
	"strings"

	files "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_files"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
)

// Entry is one entry of a folder, as it was when it was seen. Every path starts with the grant's `at`.
type Entry struct {
	Path string
	// Kind is "file", "directory", "link".
	Kind  string
	Bytes int64
	// ModifiedMs is when it was last changed, in milliseconds since 1970.
	ModifiedMs int64
}

// Name is the last part of the path.
func (e Entry) Name() string { return e.Path[strings.LastIndexByte(e.Path, '/')+1:] }

func (e Entry) item() string { return fmt.Sprintf("%s@%d", e.Path, e.ModifiedMs) }

// Space is the file system that a folder is on.
type Space struct{ TotalBytes, FreeBytes int64 }

// UsedShare is the used share, between 0 and 1; 0 where there is no space at all.
func (s Space) UsedShare() float64 {
	if s.TotalBytes == 0 {
		return 0
	}
	return float64(s.TotalBytes-s.FreeBytes) / float64(s.TotalBytes)
}

// Removed is what a removal did; Refused was left, because it is no longer what was seen.
type Removed struct {
	Paths   []string
	Bytes   int64
	Refused []string
}

// Usage is how full the file system of a folder is.
func Usage(folder string) (Space, error) {
	space, err := answer(files.Usage(folder))
	return Space{int64(space.TotalBytes), int64(space.FreeBytes)}, err
}

// Scan gives the entries of a folder, page after page as they are needed. It ends after the first error.
func Scan(folder string, recursive bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		from := witTypes.None[string]()
		for {
			page, err := answer(files.Scan(folder, recursive, from))
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page.Items {
				if !yield(Entry{e.Path, e.Kind, int64(e.Bytes), int64(e.ModifiedMs)}, nil) {
					return
				}
			}
			if page.Next.IsNone() {
				return
			}
			from = page.Next
		}
	}
}

// ReadFile gives the first limit bytes of a file.
func ReadFile(path string, limit uint32) ([]byte, error) { return answer(files.Read(path, limit)) }

// WriteFile writes a file. A change: only in Apply, and only as planned (WriteAction).
func WriteFile(path string, content []byte) error {
	_, err := answer(files.Write(path, content))
	return err
}

// RemoveFiles removes files of a folder, each only if it is still the one that was seen. A change: only in Apply, and only as
// planned (RemoveAction).
func RemoveFiles(folder string, entries []Entry) (Removed, error) {
	named := make([]files.Entry, 0, len(entries))
	for _, e := range entries {
		named = append(named, files.Entry{Path: e.Path, Kind: e.Kind, Bytes: float64(e.Bytes), ModifiedMs: float64(e.ModifiedMs)})
	}
	gone, err := answer(files.Remove(folder, named))
	return Removed{gone.Paths, int64(gone.Bytes), gone.Refused}, err
}

// Package distance tells how much two names differ, so that whoever mistypes one
// can be told the nearest.
package distance

// Edits is the number of letters to add, remove or change to turn a into b. It
// takes time and memory by the product of their lengths; callers bound them.
func Edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

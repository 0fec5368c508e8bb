package fastcr

// Tree is a process tree as it was while frozen: what the images are made of.
type Tree struct {
	Processes []*Process // the root first, parents before children
	Files     []*File    // every open file once
}

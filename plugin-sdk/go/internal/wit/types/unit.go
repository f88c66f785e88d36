// Copied from the Go package of wit-bindgen 0.63.0 (Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT).

package wit_types

type Unit struct{}

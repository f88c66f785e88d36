module github.com/stanch/stanch/plugin-sdk/go

go 1.25

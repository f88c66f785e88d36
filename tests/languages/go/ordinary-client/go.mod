module ordinary-client

go 1.25

require github.com/stanch/stanch/plugin-sdk/go v0.1.0

replace github.com/stanch/stanch/plugin-sdk/go => ../../../../plugin-sdk/go

"""Azure Resource Manager: dispatch, operations, throttling. It knows no provider; each service brings its own."""

// Loaded before Azurite. Its telemetry is off, and this also keeps the telemetry's library out of the process: the library
// is most of what Azurite loads, so that a start takes half of the time.
"use strict";
const Module = require("module");

const load = Module._load;
Module._load = (request, ...rest) => (request === "applicationinsights" ? {} : load(request, ...rest));

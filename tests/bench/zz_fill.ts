import { fillApplianceFolder } from "/work/trees/authz/tests/bench/api_data.ts";
import { FULL } from "/work/trees/authz/tests/bench/population.ts";
await fillApplianceFolder("/tmp/authz-bench-full", FULL, (w) => console.log(new Date().toISOString().slice(11,19), w));

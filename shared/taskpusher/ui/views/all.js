// Every view by its name in the URL, one line each. `job` is shown in the panel beside the others.
export { view as add } from "./add.js";
export { view as job } from "./job.js";
export { view as jobs } from "./jobs.js";
export { view as errors } from "./errors.js";
export { view as targets } from "./targets.js";
export { view as queues } from "./queues.js";
export { view as limits } from "./limits.js";
export { view as nodes } from "./nodes.js";

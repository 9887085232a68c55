/** A folder of Workflows, as `workflowsPath` may name it. */

export { echo } from "../workflows.ts";

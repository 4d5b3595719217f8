export { isRedirectMap, type MapFacts, type ProgramFacts } from "./program.ts";
export * from "./snapshot.ts";
export { type SnapshotOptions, takeSnapshot } from "./take.ts";
export { describeMap, type Target } from "./targets.ts";

export { CHECKS } from "./checks/table.ts";
export { type Diagnosis, diagnose } from "./diagnose.ts";
export type { Finding, Fix, Place } from "./finding.ts";
export { PACKET_FINDINGS } from "./path/causes.ts";
export { diagnosePacket, type Path, type PathDiagnosis, type PathOptions } from "./path/path.ts";
export type { SnapshotOptions } from "./snapshot/index.ts";
export { WATCH_FINDINGS, Watch } from "./watch.ts";

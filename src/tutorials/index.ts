export { TUTORIALS, type Tutorial } from "./catalogue.ts";
export { type Rule, type RuleReport, RuleTable } from "./rules/rule-table.ts";
export { rulesServer } from "./rules/server.ts";
export { makeWorkspace, type Workspace } from "./workspace.ts";

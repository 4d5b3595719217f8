export { TUTORIALS, type Tutorial } from "./catalogue.ts";
export { makeWorkspace, type Workspace } from "./workspace.ts";

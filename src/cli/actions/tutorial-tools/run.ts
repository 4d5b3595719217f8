/**
 * `wirescript tutorial run TOOL`: the tools that the lessons' command lines call. A workspace has a launcher of each one's name, which hands
 * its command line on to here.
 */
import { WirescriptError } from "../../../errors.ts";
import { ToolFailure } from "./tool-failure.ts";

export interface ToolCall {
  /** As the lesson calls it: "./xdp_loader". */
  name: string;
  /** What the launcher says besides, such as the object file that a lesson loads when none is given. */
  configuration: string[];
  args: string[];
}

/** Returns the exit status; what is to be said has been printed. */
export type Tool = (call: ToolCall) => Promise<number>;

const TOOLS: Record<string, () => Promise<Tool>> = {
  xdp_loader: async () => (await import("./xdp-loader.ts")).xdpLoader,
  "xdp-loader": async () => (await import("./xdp-tools-loader.ts")).xdpToolsLoader,
  xdp_stats: async () => (await import("./xdp-stats.ts")).xdpStats,
  xdp_prog_user: async () => (await import("./xdp-prog-user.ts")).xdpProgUser,
  trace_load_and_stats: async () => (await import("./trace-load-and-stats.ts")).traceLoadAndStats,
  xdplbmgmt: async () => (await import("./xdplbmgmt.ts")).xdplbmgmt,
  xdp1: async () => (await import("./xdp1.ts")).xdp1,
  "xdp2skb_meta.sh": async () => (await import("./xdp2skb-meta.ts")).xdp2skbMeta,
  "runenv.sh": async () => (await import("./runenv.ts")).runenv,
  tc_broadcast: async () => (await import("./tc-broadcast.ts")).tcBroadcast,
  "load.sh": async () => (await import("./sbin.ts")).sbinLoad,
  "unload.sh": async () => (await import("./sbin.ts")).sbinUnload,
  "status.sh": async () => (await import("./sbin-status.ts")).sbinStatus,
};

/** @throws WirescriptError USAGE when there is no such tool, and whatever the tool throws. */
export async function runTool(tool: string, configuration: string[], args: string[]): Promise<number> {
  // Own properties only: "constructor" is no tool.
  const load = Object.hasOwn(TOOLS, tool) ? TOOLS[tool] : undefined;
  if (load === undefined) {
    throw new WirescriptError({
      code: "USAGE",
      what: `There is no tool "${tool}".`,
      why: `The lessons have ${Object.keys(TOOLS).join(", ")}.`,
      fix: "Make a workspace, which has a launcher for each: wirescript tutorial new packet03",
    });
  }
  const run = await load();
  try {
    return await run({ name: `./${tool}`, configuration, args });
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    process.stderr.write(`${error.lines().join("\n")}\n`);
    return error.status;
  }
}

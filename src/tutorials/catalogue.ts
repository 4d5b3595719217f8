/** The workspaces: for each lesson its files, and the commands that its text calls. Pure. */

export interface Tutorial {
  /** The lesson and what it is about, in a line. */
  title: string;
  /** Files of the workspace, and where in the package they come from. */
  files: Readonly<Record<string, string>>;
  /** Commands of the workspace, with the tool that each is and the file that it loads unless told otherwise. */
  launchers: Readonly<Record<string, { tool: string; with?: string }>>;
}

/** Programs under their own names. */
function programs(folder: string, ...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`${folder}${name}.bpf.ts`, `src/programs/${name}.bpf.ts`]));
}

/** Files of the lesson's own folder. */
function own(tutorial: string, ...files: string[]): Record<string, string> {
  return Object.fromEntries(files.map((file) => [file, `src/tutorials/${tutorial}/${file}`]));
}

/** What a case with an object prog_kern.o has. */
function caseFiles(folder: string, ...names: string[]): Record<string, string> {
  return {
    [`${folder}/Makefile`]: "src/tutorials/case03/case.mk",
    [`${folder}/prog_kern.bpf.ts`]: `src/tutorials/case03/${folder}/prog_kern.bpf.ts`,
    ...programs(`${folder}/`, ...names, "stats"),
  };
}

function caseLaunchers(folder: string): Tutorial["launchers"] {
  return {
    [`${folder}/xdp_loader`]: { tool: "xdp_loader", with: "prog_kern.o" },
    [`${folder}/xdp_stats`]: { tool: "xdp_stats" },
    [`${folder}/runenv.sh`]: { tool: "runenv.sh", with: folder },
  };
}

export const TUTORIALS: Readonly<Record<string, Tutorial>> = {
  packet03: {
    title: "XDP tutorial, packet03: answer pings, redirect frames, route",
    files: {
      ...own("packet03", "README.md", "Makefile", "xdp_prog_kern.bpf.ts"),
      ...programs("", "echo", "redirect", "redirect-map", "router", "router-devmap", "stats"),
    },
    launchers: {
      xdp_loader: { tool: "xdp_loader", with: "xdp_prog_kern.o" },
      "xdp-loader": { tool: "xdp-loader" },
      xdp_stats: { tool: "xdp_stats" },
      xdp_prog_user: { tool: "xdp_prog_user" },
      trace_load_and_stats: { tool: "trace_load_and_stats" },
    },
  },
  "xdp-redirect": {
    title: "XDP redirect demo: spread UDP over servers, steered by HTTP",
    files: {
      ...own("xdp-redirect", "README.md", "Makefile", "ebpf/Makefile"),
      "ebpf/xdp_redirect.bpf.ts": "src/programs/loadbal.bpf.ts",
      ...programs("ebpf/", "stats"),
    },
    launchers: {
      "sbin/load.sh": { tool: "load.sh", with: "ebpf/xdp_redirect.o" },
      "sbin/unload.sh": { tool: "unload.sh" },
      "sbin/status.sh": { tool: "status.sh" },
      "bin/xdplbmgmt": { tool: "xdplbmgmt" },
    },
  },
  csur: {
    title: "ACM CSUR bpf-tutorial: filters, counters, XDP and TC together",
    files: {
      ...own("csur", "README.md", "Makefile", "examples/Makefile", "samples/bpf/Makefile"),
      ...programs("examples/", "dropworld", "tcpfilter", "icmpfilter", "portfilter"),
      "examples/layercoop.bpf.ts": "src/programs/flow-counters.bpf.ts",
      "samples/bpf/xdp1_kern.bpf.ts": "src/programs/protocol-counter.bpf.ts",
      "samples/bpf/xdp2skb_meta_kern.bpf.ts": "src/programs/metadata.bpf.ts",
    },
    launchers: {
      "samples/bpf/xdp1": { tool: "xdp1", with: "xdp1_kern.o" },
      "samples/bpf/xdp2skb_meta.sh": { tool: "xdp2skb_meta.sh", with: "xdp2skb_meta_kern.o" },
    },
  },
  case03: {
    title: "TFG davidcawork, cases 01 to 05: drop, pass, echo, forward, broadcast",
    files: {
      ...own("case03", "README.md", "Makefile", "case05/Makefile"),
      ...caseFiles("case01", "drop"),
      ...caseFiles("case02", "pass"),
      ...caseFiles("case03", "echo"),
      ...caseFiles("case04", "redirect", "redirect-map", "router", "router-devmap"),
      ...programs("case05/", "broadcast"),
    },
    launchers: {
      ...caseLaunchers("case01"),
      ...caseLaunchers("case02"),
      ...caseLaunchers("case03"),
      ...caseLaunchers("case04"),
      "case04/prog_user": { tool: "xdp_prog_user" },
      "case05/runenv.sh": { tool: "runenv.sh", with: "case05" },
      "case05/tc_broadcast": { tool: "tc_broadcast", with: "bpf.o" },
    },
  },
};

export * from "./link.ts";
export * from "./xdp.ts";

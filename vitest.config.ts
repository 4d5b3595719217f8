import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["wirescript-source"] },
  ssr: { resolve: { conditions: ["wirescript-source"] } },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // Namespaces and system calls belong to a process's main thread, so every file gets a process of its own.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

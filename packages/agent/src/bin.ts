#!/usr/bin/env node
// The program leafward-agent. No top-level await: it is bundled into one CommonJS file as well.
import { runAgentProgram } from './program.js';

void runAgentProgram(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

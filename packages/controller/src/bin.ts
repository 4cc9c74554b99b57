#!/usr/bin/env node
// The program leafward-controller.
import { runControllerProgram } from './main.js';

process.exitCode = await runControllerProgram(process.argv.slice(2));

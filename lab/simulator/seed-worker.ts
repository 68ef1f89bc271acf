// A thread that runs the seeds it is sent. A simulation that throws is a violation like any other.
import { parentPort } from 'node:worker_threads';
import { simulate, type SimulationResult } from '../simulator.js';

parentPort?.on('message', (seed: string) => {
  void simulate(seed).catch((error: unknown): SimulationResult => ({
    seed, summary: '', outcome: '', trace_hash: '', effects: 0, kills: 0, moments: 0, simulated_ms: 0, blocks: 0, payouts: 0,
    violations: [`the simulator stopped: ${error instanceof Error ? error.stack ?? error.message : String(error)}`],
  })).then((result) => parentPort?.postMessage(result));
});

export { EmbeddedCluster } from './embedded-cluster.ts';
export { EmbeddedClusterError, type EmbeddedClusterErrorCode } from './errors.ts';
export type { EmbeddedClusterOptions, EmbeddedLogger } from './options.ts';
export type { ActiveFault, Fault, FaultInjector, FaultKind, FaultMatch } from './server/faults.ts';

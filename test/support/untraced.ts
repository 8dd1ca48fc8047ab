import { OpenTelemetryTracing } from '../../src/telemetry/open-telemetry-tracing.ts';
import type { Tracing } from '../../src/telemetry/tracing.ts';

/** Records nothing, because tests have no SDK. */
export const untraced: Tracing = new OpenTelemetryTracing({ clock: { now: () => 0 } });

import { type Attributes, type BatchObservableCallback, createNoopMeter, type Meter } from '@opentelemetry/api';

/** A meter whose batches of observable instruments are collected by hand. */
export interface RecordingMeter {
  readonly meter: Meter;
  /** Resolves with what all batches observe, such as `name{label=value} 1`, and lets what they began end. */
  collect(): Promise<readonly string[]>;
  /** The number of batches that are registered. */
  batches(): number;
}

export function recordingMeter(): RecordingMeter {
  const batches = new Set<BatchObservableCallback>();
  const names = new Map<object, string>();
  const meter: Meter = Object.assign(Object.create(createNoopMeter()), {
    createObservableGauge: (name: string) => {
      const instrument = { addCallback: () => {}, removeCallback: () => {} };
      names.set(instrument, name);
      return instrument;
    },
    addBatchObservableCallback: (batch: BatchObservableCallback) => void batches.add(batch),
    removeBatchObservableCallback: (batch: BatchObservableCallback) => void batches.delete(batch),
  });
  const collect = async (): Promise<readonly string[]> => {
    const observed: string[] = [];
    const observe = (instrument: object, value: number, attributes: Attributes = {}): void => {
      const labels = Object.entries(attributes).map(([label, text]) => `${label}=${String(text)}`);
      observed.push(`${names.get(instrument)}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${value}`);
    };
    for (const batch of batches) await batch({ observe });
    await new Promise((resolve) => setImmediate(resolve));
    return observed;
  };
  return { meter, collect, batches: () => batches.size };
}

import type { ImageDecision, ImageExplanation } from '../../../index.ts';
import { json, type Reply, type Route, type StatusRequest } from '../http/request.ts';
import { fieldsOf } from '../query.ts';
import { type StatusContext, workerOf } from './context.ts';

export function imageRoutes(context: StatusContext): readonly Route[] {
  return [
    {
      path: '/api/v1/images/explain',
      access: 'guarded',
      handler: async (request) => await explain(context, request),
    },
  ];
}

async function explain(context: StatusContext, { query }: StatusRequest): Promise<Reply> {
  const names = ['image', 'resourceType', 'team', 'pipeline', 'job', 'step', 'type'] as const;
  const { image, resourceType, team, pipeline, job, step, type } = fieldsOf(query, names);
  const metadata = { team, pipelineName: pipeline, jobName: job, stepName: step, type };
  return json(explanationView(await workerOf(context).explainImage({ image, resourceType, metadata })));
}

function explanationView({ image, refusal, rule, chain, warnings }: ImageExplanation): object {
  return {
    image: image ?? null,
    permitted: refusal === undefined,
    refusal: refusal ?? null,
    rule: rule ?? null,
    chain: chain.map(decisionView),
    warnings: [...warnings],
  };
}

function decisionView({ source, rule, effect }: ImageDecision): object {
  return { source, rule: rule ?? null, effect };
}

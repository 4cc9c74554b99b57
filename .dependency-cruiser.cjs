// Who may import whom. DESIGN: shared imports neither agent nor controller, they do not import each other,
// planning imports no driver, no store, no clock.
module.exports = {
  forbidden: [
    {
      name: 'shared-stands-alone',
      severity: 'error',
      from: { path: '^packages/shared' },
      to: { path: '^packages/(agent|controller)' },
    },
    {
      name: 'agent-not-controller',
      severity: 'error',
      from: { path: '^packages/agent' },
      to: { path: '^packages/controller' },
    },
    {
      name: 'controller-not-agent',
      severity: 'error',
      from: { path: '^packages/controller' },
      to: { path: '^packages/agent' },
    },
    {
      name: 'packages-not-test',
      severity: 'error',
      from: { path: '^packages' },
      to: { path: '^test' },
    },
    {
      name: 'planning-is-pure',
      severity: 'error',
      from: { path: '^packages/controller/src/planning' },
      to: {
        path: [
          '^packages/controller/src/(store|cli|metrics)',
          '^packages/shared/src/(clock|log|loop|rpc|pki)',
          'node_modules',
        ],
        pathNot: ['node_modules/(semver|@bufbuild)'],
      },
    },
    {
      name: 'planning-no-core',
      severity: 'error',
      from: { path: '^packages/controller/src/planning' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'agent-plan-is-pure',
      severity: 'error',
      from: { path: '^packages/agent/src/plan(\\.ts|/)' },
      to: {
        path: [
          '^packages/agent/src/(journal|execute|link|identity)\\.ts',
          '^packages/shared/src/(clock|log|loop|rpc|pki)',
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(/dist/|/build/|/gen/)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'default'],
    },
  },
};

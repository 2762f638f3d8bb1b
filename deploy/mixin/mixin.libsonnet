// Recording rules, alerts and dashboards as a mixin. `_config.thresholds` has every threshold; docs/alerts.md explains them.
local files = [
  importstr '../prometheus/rules/alerts.yml',
  importstr '../prometheus/rules/exporter.yml',
  importstr '../prometheus/rules/flow.yml',
  importstr '../prometheus/rules/owners.yml',
  importstr '../prometheus/rules/spend.yml',
  importstr '../prometheus/rules/thresholds.yml',
  importstr '../prometheus/rules/usage.yml',
];
local groups = std.flattenArrays([std.parseYaml(text).groups for text in files]);
local prefix = 'openai:threshold:';
local isThreshold(rule) = std.startsWith(std.get(rule, 'record', ''), prefix);
local nameOf(rule) = std.substr(rule.record, std.length(prefix), std.length(rule.record));
local defaults = {
  [nameOf(rule)]: rule.expr
  for group in groups
  for rule in group.rules
  if isThreshold(rule)
};

// The groups with those of their rules that `keep` accepts; groups of none are left out.
local only(keep) = [
  group { rules: kept }
  for group in groups
  for kept in [std.filter(keep, group.rules)]
  if std.length(kept) > 0
];

{
  _config+:: {
    // A number, or an expression as text.
    thresholds: defaults,
  },

  local thresholds = $._config.thresholds,
  local unknown = std.setDiff(std.objectFields(thresholds), std.objectFields(defaults)),
  assert std.length(unknown) == 0 :
         'unknown thresholds %s; there are %s' % [std.join(', ', unknown), std.join(', ', std.objectFields(defaults))],
  local configured(rule) =
    if !isThreshold(rule) then rule
    else
      local value = thresholds[nameOf(rule)];
      rule { expr: if std.isNumber(value) then 'vector(%s)' % value else value },

  prometheusAlerts+:: {
    groups+: only(function(rule) std.objectHas(rule, 'alert')),
  },
  prometheusRules+:: {
    groups+: [
      group { rules: std.map(configured, group.rules) }
      for group in only(function(rule) std.objectHas(rule, 'record'))
    ],
  },
  grafanaDashboards+:: {
    'openai-exporter.json': import '../../grafana/openai-exporter.json',
    'openai-project.json': import '../../grafana/openai-project.json',
    'openai-spend.json': import '../../grafana/openai-spend.json',
    'openai-usage.json': import '../../grafana/openai-usage.json',
  },
}

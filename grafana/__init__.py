"""What Grafana gets: dashboards as code, the files that it makes, and their provisioning."""

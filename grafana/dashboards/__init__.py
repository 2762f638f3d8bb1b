"""The dashboards, made by typed builders: nobody edits thousands of lines of JSON."""

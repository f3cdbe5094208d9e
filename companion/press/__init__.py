"""From a chapter's text to its page: parameters, keys, execution, dressing, HTML."""

"""Another legacy ERP: JSON with decimal commas, local times, no revisions, and it must be asked for everything."""

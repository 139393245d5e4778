"""What tests share: servers, pictures, commands, recorded samples and worker processes."""

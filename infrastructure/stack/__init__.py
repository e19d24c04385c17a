"""The service on AWS, in CDK. One stack: what belongs together is made, changed and rolled back together."""

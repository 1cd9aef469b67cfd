package stack

// resourceType is what CloudFormation knows of a type, as far as our templates use it.
type resourceType struct {
	props      *schema
	name       string            // the property that names the resource
	ref        string            // form of what Ref gives; empty: the name
	attributes map[string]string // forms of what GetAtt gives
}

func arn(rest string) string { return "arn:{partition}:" + rest }

// types lists the resource types a template may hold. A type that is missing here is refused: add it with its properties
// (CloudFormation's resource reference) when a template needs it.
var types = map[string]resourceType{
	"AWS::IoT::ThingType": {
		name: "ThingTypeName", attributes: map[string]string{"Arn": arn("iot:{region}:{account}:thingtype/{name}"), "Id": "{name}"},
		props: object("ThingTypeName", matching(`[a-zA-Z0-9:_-]+`, 128), "DeprecateThingType", flag, "Tags", tags,
			"ThingTypeProperties", object("SearchableAttributes", texts, "ThingTypeDescription", text,
				"Mqtt5Configuration", free)),
	},
	"AWS::IoT::Policy": {
		name: "PolicyName", attributes: map[string]string{"Arn": arn("iot:{region}:{account}:policy/{name}"), "Id": "{name}"},
		props: object("PolicyDocument!", free, "PolicyName", matching(`[\w+=,.@-]+`, 128), "Tags", tags),
	},
	"AWS::IoT::ProvisioningTemplate": {
		name: "TemplateName", attributes: map[string]string{"TemplateArn": arn("iot:{region}:{account}:provisioningtemplate/{name}")},
		props: object("TemplateName", matching(`[0-9A-Za-z_-]+`, 36), "Description", matching(`[^\pC]*`, 500), "Enabled", flag,
			"PreProvisioningHook", object("TargetArn", text, "PayloadVersion", oneOf("2020-04-01")),
			"ProvisioningRoleArn!", text, "TemplateBody!", text, "TemplateType", oneOf("FLEET_PROVISIONING", "JITP"), "Tags", tags),
	},
	"AWS::IoT::TopicRule": {
		name: "RuleName", attributes: map[string]string{"Arn": arn("iot:{region}:{account}:rule/{name}")},
		props: object("RuleName", matching(`[a-zA-Z0-9_]+`, 128), "Tags", tags, "TopicRulePayload!", object(
			"Actions!", listOf(ruleAction), "AwsIotSqlVersion", oneOf("2015-10-08", "2016-03-23", "beta"), "Description", text,
			"ErrorAction", ruleAction, "RuleDisabled", flag, "Sql!", text)),
	},
	"AWS::IoT::JobTemplate": {
		name: "JobTemplateId", attributes: map[string]string{"Arn": arn("iot:{region}:{account}:jobtemplate/{name}")},
		props: object("JobTemplateId!", matching(`[a-zA-Z0-9_-]+`, 64), "Description!", matching(`[^\pC]+`, 2028), "Document", text,
			"DocumentSource", text, "JobArn", text, "Tags", tags, "DestinationPackageVersions", texts,
			"PresignedUrlConfig", object("RoleArn!", text, "ExpiresInSec", integer(60, 3600)),
			"JobExecutionsRolloutConfig", object("MaximumPerMinute", integer(1, 1000), "ExponentialRolloutRate", object(
				"BaseRatePerMinute!", integer(1, 1000), "IncrementFactor!", within(1.1, 5),
				"RateIncreaseCriteria!", object("NumberOfNotifiedThings", integer(1, 1e9), "NumberOfSucceededThings", integer(1, 1e9)))),
			"AbortConfig", object("CriteriaList!", listOf(object("Action!", oneOf("CANCEL"),
				"FailureType!", oneOf("FAILED", "REJECTED", "TIMED_OUT", "ALL"), "MinNumberOfExecutedThings!", integer(1, 1e9),
				"ThresholdPercentage!", within(0.01, 100)))),
			"TimeoutConfig", object("InProgressTimeoutInMinutes!", integer(1, 10080)),
			"JobExecutionsRetryConfig", object("RetryCriteriaList", listOf(object(
				"FailureType", oneOf("FAILED", "TIMED_OUT", "ALL"), "NumberOfRetries", integer(0, 10)))),
			"MaintenanceWindows", listOf(object("StartTime", text, "DurationInMinutes", integer(1, 1430)))),
	},
	"AWS::SQS::Queue": {
		name: "QueueName", ref: "https://sqs.{region}.amazonaws.com/{account}/{name}",
		attributes: map[string]string{
			"Arn": arn("sqs:{region}:{account}:{name}"), "QueueName": "{name}",
			"QueueUrl": "https://sqs.{region}.amazonaws.com/{account}/{name}",
		},
		props: object("QueueName", matching(`[a-zA-Z0-9_-]+(\.fifo)?`, 80), "DelaySeconds", integer(0, 900), "FifoQueue", flag,
			"ContentBasedDeduplication", flag, "MaximumMessageSize", integer(1024, 1048576), "MessageRetentionPeriod", integer(60, 1209600),
			"ReceiveMessageWaitTimeSeconds", integer(0, 20), "VisibilityTimeout", integer(0, 43200), "SqsManagedSseEnabled", flag,
			"KmsMasterKeyId", text, "KmsDataKeyReusePeriodSeconds", integer(60, 86400), "Tags", tags, "RedriveAllowPolicy", free,
			"RedrivePolicy", object("deadLetterTargetArn!", text, "maxReceiveCount!", integer(1, 1000))),
	},
	"AWS::SQS::QueuePolicy": {
		props: object("Queues!", texts, "PolicyDocument!", free),
	},
	"AWS::SNS::Topic": {
		name: "TopicName", ref: arn("sns:{region}:{account}:{name}"),
		attributes: map[string]string{"TopicArn": arn("sns:{region}:{account}:{name}"), "TopicName": "{name}"},
		props: object("TopicName", text, "DisplayName", text, "KmsMasterKeyId", text, "Tags", tags,
			"Subscription", listOf(object("Endpoint!", text, "Protocol!", oneOf("email", "email-json", "http", "https", "lambda", "sms", "sqs")))),
	},
	"AWS::IAM::Role": {
		name: "RoleName", attributes: map[string]string{"Arn": arn("iam::{account}:role/{name}"), "RoleId": "AROA{name}"},
		props: object("AssumeRolePolicyDocument!", free, "Description", text, "ManagedPolicyArns", texts, "MaxSessionDuration", integer(3600, 43200),
			"Path", text, "PermissionsBoundary", text, "RoleName", text, "Tags", tags,
			"Policies", listOf(object("PolicyName!", text, "PolicyDocument!", free))),
	},
	"AWS::CloudWatch::Alarm": {
		name: "AlarmName", attributes: map[string]string{"Arn": arn("cloudwatch:{region}:{account}:alarm:{name}")},
		props: object("AlarmName", text, "AlarmDescription", text, "ActionsEnabled", flag, "AlarmActions", texts, "OKActions", texts,
			"InsufficientDataActions", texts, "EvaluationPeriods!", integer(1, 1000), "DatapointsToAlarm", integer(1, 1000),
			"Threshold", number, "Period", integer(10, 86400), "Namespace", text, "MetricName", text, "Tags", tags,
			"Statistic", oneOf("Average", "Maximum", "Minimum", "SampleCount", "Sum"), "ExtendedStatistic", text, "Unit", text,
			"TreatMissingData", oneOf("breaching", "notBreaching", "ignore", "missing"),
			"Dimensions", listOf(object("Name!", text, "Value!", text)),
			"ComparisonOperator!", oneOf("GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold")),
	},
	"AWS::Lambda::Function": {
		name: "FunctionName", attributes: map[string]string{"Arn": arn("lambda:{region}:{account}:function:{name}")},
		props: object("Code!", object("S3Bucket", text, "S3Key", text, "S3ObjectVersion", text, "ZipFile", text, "ImageUri", text),
			"Role!", text, "Handler", text, "FunctionName", matching(`[a-zA-Z0-9_-]+`, 64), "Description", text,
			"Runtime", oneOf(runtimes...), "Architectures", listOf(oneOf("arm64", "x86_64")),
			"MemorySize", integer(128, 10240), "Timeout", integer(1, 900), "Environment", object("Variables", free),
			"PackageType", oneOf("Zip", "Image"), "ReservedConcurrentExecutions", integer(0, 1e6), "Tags", tags),
	},
	"AWS::Lambda::Permission": {
		props: object("Action!", text, "FunctionName!", text, "Principal!", text, "SourceArn", text, "SourceAccount", text),
	},
}

// runtimes are those of Lambda that a new function may have; ours are Go and take provided.al2023.
var runtimes = []string{
	"provided.al2023", "provided.al2", "nodejs24.x", "nodejs22.x", "nodejs20.x", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10",
	"java25", "java21", "java17", "java11", "java8.al2", "dotnet10", "dotnet8", "ruby3.4", "ruby3.3", "ruby3.2",
}

// ruleAction is what a topic rule does. The local cloud runs Sqs, Republish, and Lambda with its own function.
var ruleAction = object(
	"Sqs", object("QueueUrl!", text, "RoleArn!", text, "UseBase64", flag),
	"Lambda", object("FunctionArn!", text),
	"Republish", object("RoleArn!", text, "Topic!", text, "Qos", integer(0, 1), "Headers", free),
)

package service

// agentKeys are the words that say what the agent says in English, see phrases.go. The more exact come first.
var agentKeys = []string{}

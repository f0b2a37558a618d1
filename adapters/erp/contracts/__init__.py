"""What ERPs' own contracts say: WSDL and OpenAPI documents, loaded from a bundle and never from the network."""
